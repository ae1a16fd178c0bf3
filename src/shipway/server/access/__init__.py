"""Who may ask what: keys and their scopes, and the certificates of encrypted connections."""
