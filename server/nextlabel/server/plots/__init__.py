"""Pictures: Vega-Lite specifications for the browser, drawn as SVG and PNG."""
