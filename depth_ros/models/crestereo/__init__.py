"""CREStereo (Li et al. 2022, arXiv 2203.11483): recurrent stereo matching with a cascade."""
