//! Serves the Admin API and the console.
