"""Three-dimensional rooms for several views, with exact depth, poses and intrinsics."""
