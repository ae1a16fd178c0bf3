"""The Open Inference Protocol V2 over HTTP/1.1: bytes to requests, answers to bytes, and no decisions."""
