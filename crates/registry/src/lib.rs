//! Holds the upstreams that are live now; the one place where model, balancer and health meet.
