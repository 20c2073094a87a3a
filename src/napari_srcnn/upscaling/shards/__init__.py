"""Results larger than memory: cut into shards, each written whole, by one process or by many."""
