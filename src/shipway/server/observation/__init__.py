"""What a server tells about itself: metrics, logs, traces, captured requests."""
