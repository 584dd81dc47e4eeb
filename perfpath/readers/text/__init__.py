"""Text recordings: what perf trace, perf script, ftrace and trace-cmd print.

    bytes ─> decoder (lines, order, losses) ─┬─> bulk (many lines of one shape at once, numpy)
                                             └─> lines (any one line) ─> heads + fields

`lines` is the grammar; `bulk` is only a faster way to the same rows and leaves every line it isn't sure of to `lines`.
"""
