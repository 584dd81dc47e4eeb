"""HOPS and JOURNEYS to text, tables, drawings, JSON and CSV; decides nothing."""
