"""Charts as SVG text, drawn by matplotlib on the server (ADR 0018)."""
