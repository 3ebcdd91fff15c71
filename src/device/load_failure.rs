//! Why a module cannot be loaded. The loader has one message for several causes, and a wrong one for some: a
//! library for another processor "cannot be opened: no such file". The file itself says more.

mod library_file;

use std::env::consts::DLL_SUFFIX;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use super::ffi::LoadError;
use crate::platform::advice::{HOW_TO_FIND, how_to_see_what_lacks, how_to_see_who_refuses, quoted};
use library_file::{Format, LibraryFile, START};

/// Why a module cannot be loaded, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LoadFailure {
    pub(super) reason: String,
    pub(super) hint: Option<String>,
}

impl LoadFailure {
    /// `error` is the result of loading the library at `path`.
    pub(super) fn of(path: &Path, error: LoadError) -> Self {
        match error {
            LoadError::Loader(words) => of_loader(path, &words, &read_start(path)),
            LoadError::NoModule => Self {
                reason: "it is a library, but not a PKCS#11 module: it does not have C_GetFunctionList"
                    .into(),
                hint: Some("--module expects the device's PKCS#11 library; its manual names the file".into()),
            },
            LoadError::NoFunctions(error) => Self { reason: error.to_string(), hint: None },
        }
    }
}

fn read_start(path: &Path) -> io::Result<Vec<u8>> {
    // To open a folder is refused on Windows.
    if path.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let mut start = Vec::new();
    File::open(path)?.take(START as u64).read_to_end(&mut start)?;
    Ok(start)
}

/// `words` is the loader's message, `start` the first bytes of the file, or why it cannot be read.
fn of_loader(path: &Path, words: &str, start: &io::Result<Vec<u8>>) -> LoadFailure {
    let has_folder = path.components().count() > 1;
    let failure = |reason: String, hint: String| LoadFailure { reason, hint: Some(hint) };
    let path_in_command = quoted(path);
    match start {
        Err(error) if has_folder && error.kind() == ErrorKind::PermissionDenied => failure(
            "this user may not read it (permission denied)".into(),
            format!("{}; ask its owner for the right to read it", how_to_see_who_refuses(&path_in_command)),
        ),
        Err(error) if has_folder && error.kind() == ErrorKind::IsADirectory => {
            failure("it is a folder".into(), expected())
        }
        Ok(start) => match (LibraryFile::read(start), LibraryFile::own()) {
            (None, _) => failure(format!("it is not a library but {}", what_else(start)), expected()),
            (Some(file), _) if file.format != Format::OWN => failure(
                format!(
                    "it is a library for {}, and this program is for {}",
                    file.format.name(),
                    Format::OWN.name()
                ),
                "install the vendor's package of the module for this system".into(),
            ),
            (Some(file), Some(own)) if file != own => failure(
                if file.bits == own.bits {
                    format!("it is built for {}, and this program for {}", file.processor(), own.processor())
                } else {
                    format!(
                        "it is a {}-bit library ({}), and this program is a {}-bit one",
                        file.bits,
                        file.processor(),
                        own.bits
                    )
                },
                format!("install the vendor's {} package of the module", own.processor()),
            ),
            (Some(_), _) => of_library(words, &path_in_command),
        },
        Err(_) if has_folder => failure(words.to_owned(), expected()),
        // The loader searched for it, and may have found it somewhere.
        Err(_) if is_about_another(words, path) => of_library(words, &path_in_command),
        Err(_) => failure(
            words.to_owned(),
            format!("--module expects the whole path of the device's PKCS#11 library: {HOW_TO_FIND}"),
        ),
    }
}

fn expected() -> String {
    format!("--module expects the path of the device's PKCS#11 library, a file that ends in {DLL_SUFFIX}")
}

/// A library of the right kind that the loader still refused.
fn of_library(words: &str, quoted: &str) -> LoadFailure {
    if let Some((missing, _)) = words.split_once(": cannot open shared object file") {
        return LoadFailure {
            reason: format!("it needs the library {missing}, which is not installed"),
            hint: Some(format!(
                "ldd {quoted} lists what it needs; install the package that has {missing}, or add its folder to \
                 LD_LIBRARY_PATH"
            )),
        };
    }
    if let Some((_, symbol)) = words.split_once("undefined symbol: ") {
        let symbol = symbol.split([',', ' ']).next().unwrap_or(symbol);
        return LoadFailure {
            reason: format!("it needs the function {symbol}, which no library here has"),
            hint: Some(format!(
                "the module and a library that it needs do not fit together: ldd -r {quoted} shows which; install \
                 both from one release"
            )),
        };
    }
    if words.contains("version `") {
        return LoadFailure {
            reason: words.to_owned(),
            hint: Some(
                "the module is built for a newer system: install the vendor's package for this release"
                    .into(),
            ),
        };
    }
    if words.contains("failed to map segment") || words.contains("Operation not permitted") {
        return LoadFailure {
            reason: format!("the system does not run code from there ({words})"),
            hint: Some("its file system is mounted noexec: put the module on another one".into()),
        };
    }
    LoadFailure { reason: words.to_owned(), hint: Some(how_to_see_what_lacks(quoted)) }
}

/// Whether the loader's message is about another file than the named one.
fn is_about_another(words: &str, path: &Path) -> bool {
    words.contains("undefined symbol")
        || words
            .split_once(": cannot open shared object file")
            .is_some_and(|(missing, _)| Path::new(missing) != path)
}

fn what_else(start: &[u8]) -> &'static str {
    let is_text = |byte: &u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    if start.is_empty() {
        "an empty file"
    } else if start.starts_with(&[0x7f, b'E', b'L', b'F']) {
        "the start of one: the file is cut off"
    } else if start.iter().all(is_text) {
        "a text file"
    } else {
        "another kind of file"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODULE: &str = "/opt/acme/libacme.so";

    fn elf(class: u8, machine: u16) -> Vec<u8> {
        let mut start = vec![0x7f, b'E', b'L', b'F', class, 1];
        start.resize(18, 0);
        start.extend(machine.to_le_bytes());
        start
    }

    /// This program's own.
    fn own() -> Vec<u8> {
        let mut start = Vec::new();
        let program = std::env::current_exe().and_then(File::open).expect("the program's own file");
        program.take(START as u64).read_to_end(&mut start).expect("it can be read");
        start
    }

    fn reason(words: &str, start: io::Result<Vec<u8>>) -> String {
        let LoadFailure { reason, hint } = of_loader(Path::new(MODULE), words, &start);
        assert!(hint.is_some(), "{reason}");
        reason
    }

    /// The words are those of glibc's loader.
    #[test]
    #[cfg(target_os = "linux")]
    fn each_cause_has_its_own_words() {
        let not_found = format!("{MODULE}: cannot open shared object file: No such file or directory");
        for (words, start, expected) in [
            (&*not_found, Ok(elf(2, 9999)), "it is built for a processor of number 9999, and"),
            (
                "wrong ELF class: ELFCLASS32",
                Ok(elf(1, 3)),
                "it is a 32-bit library (x86), and this program is a",
            ),
            ("file too short", Ok(Vec::new()), "it is not a library but an empty file"),
            (
                "invalid ELF header",
                Ok(b"/* GNU ld script */".to_vec()),
                "it is not a library but a text file",
            ),
            ("file too short", Ok(own()[..12].to_vec()), "it is not a library but the start of one"),
            (
                "libacme-core.so.2: cannot open shared object file: No such file or directory",
                Ok(own()),
                "it needs the library libacme-core.so.2, which is not installed",
            ),
            (
                "/opt/acme/libacme.so: undefined symbol: acme_open_v2, version ACME_2",
                Ok(own()),
                "it needs the function acme_open_v2, which no library here has",
            ),
            (
                "failed to map segment from shared object",
                Ok(own()),
                "the system does not run code from there",
            ),
            (
                "/lib/libc.so.6: version `GLIBC_2.99' not found (required by /opt/acme/libacme.so)",
                Ok(own()),
                "/lib/libc.so.6: version `GLIBC_2.99' not found",
            ),
            (
                &format!("{MODULE}: cannot open shared object file: Permission denied"),
                Err(ErrorKind::PermissionDenied.into()),
                "this user may not read it",
            ),
            (&not_found, Err(ErrorKind::NotFound.into()), &not_found),
        ] {
            if expected.contains("32-bit") && cfg!(target_pointer_width = "32") {
                continue;
            }
            let reason = reason(words, start);
            assert!(reason.starts_with(expected), "{reason}\n{expected}");
        }
    }

    #[test]
    fn a_library_for_another_system_is_told_as_such() {
        let mut pe = b"MZ".to_vec();
        pe.resize(0x3c, 0);
        pe.extend(0x80_u32.to_le_bytes());
        pe.resize(0x80, 0);
        pe.extend(b"PE\0\0\x64\xaa");
        let mach_o = [0xcf, 0xfa, 0xed, 0xfe, 0x0c, 0, 0, 1];
        let files = [(Format::Elf, elf(2, 62)), (Format::Pe, pe), (Format::MachO, mach_o.to_vec())];
        for (format, start) in files {
            let file = LibraryFile::read(&start).unwrap();
            assert_eq!((file.format, file.bits), (format, 64), "{start:?}");
            let expected = ["x86_64", "aarch64", "aarch64"][format as usize];
            assert_eq!(file.processor(), expected);
            let other = format!("it is a library for {}, and this", format.name());
            assert_eq!(reason("words", Ok(start)).starts_with(&other), format != Format::OWN);
        }
        assert_eq!(LibraryFile::read(&own()), LibraryFile::own());
    }

    #[test]
    fn the_same_holds_for_a_name_that_the_loader_looks_for() {
        let of = |words: &str| of_loader(Path::new("libacme.so"), words, &Err(ErrorKind::NotFound.into()));
        let absent = of("libacme.so: cannot open shared object file: No such file or directory");
        assert!(absent.hint.unwrap().contains("whole path"));
        let lacking = of("libcore.so.2: cannot open shared object file: No such file or directory");
        assert_eq!(lacking.reason, "it needs the library libcore.so.2, which is not installed");
    }
}
