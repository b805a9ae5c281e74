"""Wake-ups between service and engine, and live fan-out of what predictions do."""
