"""What loaders and edges share of one framework; nothing here is started by itself."""
