"""Files in and out: bags, calibrations, images, depth maps, clouds, installed data."""
