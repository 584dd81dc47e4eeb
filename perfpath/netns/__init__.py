"""Network namespaces and interfaces: what stands where, and how it is linked."""
