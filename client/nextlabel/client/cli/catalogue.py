"""Which commands there are, without importing any: the help page is there at once, whatever a command needs."""

OWN = {
    "project": "Create, list, show, update and delete projects.",
    "pool": "Add items, look at them and see how the pool stands.",
    "run": "Start, watch, show, list, pause and stop runs.",
    "budget": "Set limits and see what was spent.",
    "guidelines": "Add, list, show, accept and reject versions of the codebook.",
    "token": "Create, list and revoke bearer tokens.",
    "report": "Report what the labels bought: the learning curve, in labels, tokens, dollars and seconds.",
    "quality": "See whether labels and models can be trusted, with intervals.",
    "check": "Check that labels, model and cost are as good as they have to be; exit code 1 where they are not.",
    "predict": "Predict the labels of the texts in a file: one result for each, in order.",
    "label": "Label items in the terminal, the most useful ones first; or submit a file of answers.",
    "query": "Show the items that are worth a label next, best first.",
    "train": "Train the learner on the labels so far and show the new model version.",
    "models": "List the model versions, newest first: how good each is, and what annotators' advice is worth to it.",
    "model": "Take a trained model along: files that predict without nextlabel.",
    "synthesize": "Have an LLM write texts of a class or score, and judge each before you use it.",
    "texts": "See what was written of items, have it judged, and find the best.",
    "export": "Export items or annotations, to a file in the form that its ending names, or to stdout as JSON Lines.",
    "mcp": "Offer tools of the Model Context Protocol, so that an assistant can label and start runs.",
}
"""The commands that call a server, with what each does."""

SERVER = {
    "auto": "From a file to a labeled file, in one command.",
    "serve": "Run the server.",
    "web": "Serve dashboard and labeling page of a server elsewhere.",
    "demo": "See the main job run on bundled data.",
    "simulate": "Compare strategies on your data, with error bars.",
    "doctor": "Check an installation and a data directory.",
    "backup": "Back up a data directory while it is served.",
    "restore": "Restore a backup.",
    "backups": "List the backups that a bucket holds, or let one go.",
    "local-llm": "Serve a small LLM on this machine.",
    "tune-local": "Tune a small LLM on a project's answers, and measure it on gold.",
    "tune-encoder": "Tune the encoder of a project on its labels, where validation says that it helps.",
}
"""The commands of the server, which is an extra."""
