"""What people and tools read about a server: the OpenAPI document, and a page with every model to try."""
