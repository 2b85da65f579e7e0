//! Nothing here: the programs beside this folder are the examples.
