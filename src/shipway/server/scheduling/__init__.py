"""When and where requests run: the queue, the batches, the threads."""
