"""The Open Inference Protocol V2 over HTTP: bodies to calls, outcomes to bodies."""
