"""Pictures, clips and pages from untrusted bytes, within hard limits."""
