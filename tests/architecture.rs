//! The floors of the house: what may import what.
//!
//! Reads the imports of all sources, as a compiler would: `use` and paths written out, re-exports followed to where the item is.
//! What is compiled for tests alone may look anywhere.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use syn::visit::{self, Visit};
use syn::{Attribute, ItemMod, ItemUse, UseTree, Visibility};

/// The floors of `src`, the top one first. A module imports from the floors below its own, and nothing else but itself.
const CORE: &[&[&str]] = &[
    &["main"],
    &["cli"],
    &["dashboard"],
    &["view"],
    &["session", "simulate", "fsck", "gc"],
    &["scheduler"],
    &["executor", "export", "import"],
    &["store"],
    &["analysis", "study_file"],
    &["study"],
    &["space"],
    &[
        "clock", "devices", "disk", "keys", "memory", "program", "shell", "signals",
    ],
    &["diagnostic", "ids", "kill", "words"],
];

/// The module that a source is, by its path below `src`.
type Module = Vec<String>;

struct Source {
    file: PathBuf,
    /// What it imports, as paths from the root of the crate.
    imports: Vec<Module>,
    /// What it passes on, by name.
    exports: BTreeMap<String, Module>,
}

/// The sources of a crate.
struct Crate {
    name: &'static str,
    sources: BTreeMap<Module, Source>,
}

/// Collects what a source imports.
struct Imports {
    module: Module,
    imports: Vec<Module>,
    exports: BTreeMap<String, Module>,
    /// The modules that are compiled for tests alone.
    tests: BTreeSet<Module>,
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|condition| condition.is_ident("test"))
    })
}

impl Imports {
    /// A path from the root of the crate; none if it leads to another crate.
    fn absolute(&self, path: &[String]) -> Option<Module> {
        let mut rest = path.iter();
        let mut at = match rest.next()?.as_str() {
            "crate" => Module::new(),
            "self" => self.module.clone(),
            "super" => self.module[..self.module.len().checked_sub(1)?].to_vec(),
            _ => return None,
        };
        for part in rest {
            match part.as_str() {
                "super" => drop(at.pop()?),
                part => at.push(part.to_owned()),
            }
        }
        Some(at)
    }

    fn take_in(&mut self, path: Vec<String>, name: Option<String>, passes_on: bool) {
        // `use child::Item` is a path from here.
        let absolute = self.absolute(&path).unwrap_or_else(|| {
            let mut own = self.module.clone();
            own.extend(path);
            own
        });
        if let (Some(name), true) = (name, passes_on) {
            self.exports.insert(name, absolute.clone());
        }
        self.imports.push(absolute);
    }

    fn tree(&mut self, tree: &UseTree, mut path: Vec<String>, passes_on: bool) {
        match tree {
            UseTree::Path(next) => {
                path.push(next.ident.to_string());
                self.tree(&next.tree, path, passes_on);
            }
            UseTree::Name(name) => {
                let ident = name.ident.to_string();
                if ident != "self" {
                    path.push(ident.clone());
                }
                self.take_in(path, Some(ident), passes_on);
            }
            UseTree::Rename(rename) => {
                path.push(rename.ident.to_string());
                self.take_in(path, Some(rename.rename.to_string()), passes_on);
            }
            UseTree::Glob(_) => self.take_in(path, None, passes_on),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.tree(tree, path.clone(), passes_on);
                }
            }
        }
    }
}

impl<'ast> Visit<'ast> for Imports {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        match is_for_tests(&item.attrs) {
            true => drop(self.tests.insert(self.module.clone())),
            false => visit::visit_item_mod(self, item),
        }
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if !is_for_tests(&item.attrs) {
            self.tree(&item.tree, Vec::new(), !matches!(item.vis, Visibility::Inherited));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
        self.imports.extend(self.absolute(&parts));
        visit::visit_path(self, path);
    }
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(rust_files(&path)),
            false => found.extend(path.extension().is_some_and(|end| end == "rs").then_some(path)),
        }
    }
    found
}

impl Crate {
    fn read(name: &'static str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let mut sources = BTreeMap::new();
        let mut tests = BTreeSet::new();
        for file in rust_files(&root) {
            let place = file.strip_prefix(&root).unwrap().with_extension("");
            let mut module: Module = place.iter().map(|part| part.to_str().unwrap().to_owned()).collect();
            if ["mod", "lib"].contains(&module.last().unwrap().as_str()) {
                module.pop();
            }
            let mut imports = Imports {
                // A binary is the root of a crate of its own.
                module: if module == ["main"] {
                    Module::new()
                } else {
                    module.clone()
                },
                imports: Vec::new(),
                exports: BTreeMap::new(),
                tests: BTreeSet::new(),
            };
            imports.visit_file(&syn::parse_file(&fs::read_to_string(&file).unwrap()).unwrap());
            tests.extend(imports.tests);
            let Imports { imports, exports, .. } = imports;
            let source = Source { file, imports, exports };
            sources.insert(module, source);
        }
        assert!(sources.len() > 2, "{name} has sources");
        sources.retain(|module, _| !tests.iter().any(|test| module.starts_with(test)));
        Self { name, sources }
    }

    /// The source in which an item is.
    fn home(&self, path: &[String], steps: usize) -> Option<&Module> {
        let at = (0..=path.len())
            .rev()
            .find(|&end| self.sources.contains_key(&path[..end]))?;
        let (module, source) = self.sources.get_key_value(&path[..at])?;
        let passed_on = path.get(at).and_then(|name| source.exports.get(name));
        match passed_on.filter(|next| steps > 0 && next[..] != path[..=at]) {
            Some(next) => self.home(&[&next[..], &path[at + 1..]].concat(), steps - 1),
            None => Some(module),
        }
    }

    /// For each source, the others that it imports from.
    fn imports(&self) -> BTreeMap<&Module, BTreeSet<&Module>> {
        let of = |(module, source): (&'_ Module, &'_ Source)| -> BTreeSet<&Module> {
            let homes = source.imports.iter().filter_map(|path| self.home(path, 8));
            homes.filter(|home| *home != module).collect()
        };
        self.sources.iter().map(|source| (source.0, of(source))).collect()
    }

    fn check_floors(&self, floors: &[&[&str]]) {
        let floor = |module: &str| floors.iter().position(|floor| floor.contains(&module));
        let mut wrong = Vec::new();
        for (module, imports) in self.imports() {
            let Some(own) = module.first() else { continue };
            let Some(from) = floor(own) else {
                wrong.push(format!("{own} is on no floor: put it on one in {}", file!()));
                continue;
            };
            for import in imports.into_iter().filter_map(|import| import.first()) {
                if import != own && floor(import).is_none_or(|to| to <= from) {
                    wrong.push(format!(
                        "{} imports {import}, which is not on a floor below {own}",
                        self.sources[module].file.display()
                    ));
                }
            }
        }
        wrong.dedup();
        assert!(wrong.is_empty(), "{}:\n{}", self.name, wrong.join("\n"));
    }

    /// No two files import each other, even by way of others, but a module and what is within it.
    fn check_circles(&self) {
        let imports = self.imports();
        let within = |a: &Module, b: &Module| a.starts_with(b) || b.starts_with(a);
        let next = |at: &'_ Module| {
            imports[at]
                .iter()
                .filter(|to| !within(at, to))
                .copied()
                .collect::<Vec<_>>()
        };
        for &start in imports.keys() {
            let mut came: BTreeMap<&Module, &Module> = BTreeMap::new();
            let mut open = vec![start];
            while let Some(at) = open.pop() {
                for to in next(at) {
                    if to == start {
                        let mut circle = vec![start.join("::"), at.join("::")];
                        let mut back = at;
                        while let Some(before) = came.get(back) {
                            circle.push(before.join("::"));
                            back = before;
                        }
                        circle.reverse();
                        panic!("{}: a circle of imports: {}", self.name, circle.join(" -> "));
                    }
                    if !came.contains_key(to) && to != start {
                        came.insert(to, at);
                        open.push(to);
                    }
                }
            }
        }
    }
}

#[test]
fn nothing_imports_upwards() {
    Crate::read("src").check_floors(CORE);
}

#[test]
fn no_files_import_each_other() {
    for name in [
        "src",
        "gaussian_process/src",
        "trials/data/src",
        "trials/embedding/src",
        "trials/protocol/src",
        "trials/script/src",
    ] {
        Crate::read(name).check_circles();
    }
}

#[test]
fn a_file_has_one_reason_to_exist() {
    const MOST_LINES: usize = 450;
    for place in [
        "src",
        "gaussian_process/src",
        "trials/data/src",
        "trials/embedding/src",
        "trials/protocol/src",
        "trials/script/src",
    ] {
        for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(place)) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= MOST_LINES, "{} has {lines} lines: split it", file.display());
        }
    }
}

/// Sources of a directory, or one file, below the root, without comments and what is compiled for tests alone.
fn texts(place: &str) -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(place);
    let files = if root.is_dir() { rust_files(&root) } else { vec![root] };
    assert!(!files.is_empty());
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code = own.lines().filter(|line| !line.trim_start().starts_with("//"));
        (file, code.map(|line| format!("{line}\n")).collect())
    };
    files.into_iter().map(read).collect()
}

fn forbid(place: &str, words: &[&str], why: &str) {
    for (file, text) in texts(place) {
        for word in words {
            assert!(!text.contains(word), "{} has {word}: {why}", file.display());
        }
    }
}

#[test]
fn the_core_does_no_io_and_reads_no_clock() {
    const IO: [&str; 9] = [
        "std::fs",
        "std::io",
        "std::net",
        "std::process",
        "std::time",
        "std::thread",
        "std::env",
        "tokio",
        "sled",
    ];
    for place in ["src/study", "src/analysis", "src/space"] {
        forbid(place, &IO, "the same events must always give the same records");
    }
}

#[test]
fn the_library_leaves_the_process_to_its_caller() {
    let words = [
        "umask",
        "process::exit",
        "signals::",
        "Signals",
        "std::io::stdout",
        "println!",
    ];
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !["cli", "view", "main.rs", "signals.rs"].contains(&name.as_str()) {
            forbid(&format!("src/{name}"), &words, "that is for cli and view");
        }
    }
}

#[test]
fn the_trainer_knows_nothing_of_the_search() {
    for place in [
        "trials/embedding/src",
        "trials/data/src",
        "trials/protocol/src",
        "trials/script/src",
    ] {
        forbid(place, &["hpo::"], "trainers see the protocol and the data only");
    }
}

#[test]
fn hpo_itself_needs_no_libtorch() {
    let tree = std::process::Command::new(env!("CARGO"))
        .args(["tree", "--package", "hpo", "--edges", "normal", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert!(tree.contains("hpo-protocol"), "{tree}");
    assert!(!tree.contains("torch-sys"), "{tree}");
}
