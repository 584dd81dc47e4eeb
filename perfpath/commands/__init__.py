"""One file a verb: validate, wire, nothing else."""
