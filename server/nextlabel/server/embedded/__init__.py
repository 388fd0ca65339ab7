"""The engine within a program of yours: `Labeler`, an estimator of scikit-learn, over a server without a port."""
