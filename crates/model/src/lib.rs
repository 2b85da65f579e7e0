//! Says what a gateway, upstream, service, rule and key are and when one is valid.
