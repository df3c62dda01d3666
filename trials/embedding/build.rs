//! Tells the linker where libtorch is, so that the binary and the tests run without `LD_LIBRARY_PATH`, and the program which it is.

use std::path::Path;

/// Where the linker is told that libtorch will be, instead of where it is.
const ELSEWHERE: &str = "HPO_LIBTORCH_RPATH";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    // torch-sys (`links = "tch"`) publishes the directory it chose to its direct dependents only.
    println!("cargo:rerun-if-env-changed=DEP_TCH_LIBTORCH_LIB");
    println!("cargo:rerun-if-env-changed={ELSEWHERE}");
    let Ok(directory) = std::env::var("DEP_TCH_LIBTORCH_LIB") else {
        return;
    };
    if let Some(version) = version(Path::new(&directory)) {
        println!("cargo:rustc-env=HPO_LIBTORCH_VERSION={version}");
    }
    let rpath = std::env::var(ELSEWHERE).unwrap_or(directory);
    println!("cargo:rustc-link-arg=-Wl,-rpath,{rpath}");
}

/// The version of the libtorch whose libraries are in a directory, as its headers have it.
fn version(libraries: &Path) -> Option<String> {
    let headers = libraries.parent()?.join("include/torch");
    let places = ["headeronly/version.h", "csrc/api/include/torch/version.h"];
    places.iter().find_map(|place| {
        let text = std::fs::read_to_string(headers.join(place)).ok()?;
        let part = |name: &str| {
            let definition = text.split(&format!("#define TORCH_VERSION_{name} ")).nth(1)?;
            definition.split_whitespace().next()?.parse::<u32>().ok()
        };
        Some(format!("{}.{}.{}", part("MAJOR")?, part("MINOR")?, part("PATCH")?))
    })
}
