"""Several processes that answer as one server, and the one that watches over them."""
