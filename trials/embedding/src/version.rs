//! Which trainer this is, and what it can do here.

/// Its name and version; the version of libtorch, the GPUs it can use, and the instructions that kernels on the CPU use: one line each.
pub fn version() -> String {
    let torch = option_env!("HPO_LIBTORCH_VERSION").unwrap_or("of an unknown version");
    let gpus = match tch::Cuda::is_available() {
        true => format!("{} with CUDA", tch::Cuda::device_count()),
        false => "none".into(),
    };
    format!(
        "{} {}\nlibtorch: {torch}\nGPUs: {gpus}\ninstructions: {}",
        env!("CARGO_PKG_NAME"),
        env!("CARGO_PKG_VERSION"),
        crate::model::instructions()
    )
}
