"""HOPS and JOURNEYS to text, tables, drawings, JSON and CSV; decides nothing.

output = open_output("tree", sys.stdout, info=info)
output.update(update)     # any number of times, as the tracker gives them
output.result(result)     # what can't grow any more: a whole recording, or what the end of a stream closed
output.finish(diagnostics)
"""

from perfpath.render.output import Output, open_output

__all__ = ["Output", "open_output"]
