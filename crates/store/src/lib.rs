//! Keeps revisions of the configuration and tells who watches.
