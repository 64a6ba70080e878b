"""How the product's supply of packages is pinned and listed: lock files with hashes, and bills of materials made from them."""
