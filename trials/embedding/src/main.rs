//! hpo
fn main() {}
