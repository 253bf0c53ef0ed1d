"""Records of the coordinators' internal topics: definitions by coordinator, and `serde` for their bytes."""
