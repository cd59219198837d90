"""Classical keypoint matching: SIFT and ORB by OpenCV, no weights."""
