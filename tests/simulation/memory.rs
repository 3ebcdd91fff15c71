//! What a simulated device keeps when it is unplugged: files in a folder.

// Not every device needs all of it.
#![allow(dead_code)]

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

#[derive(Clone)]
pub struct Memory(PathBuf);

impl Memory {
    pub fn new(folder: PathBuf) -> Self {
        fs::create_dir_all(&folder).expect("the folder can be made");
        Memory(folder)
    }

    pub fn read(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.0.join(name)).ok()
    }

    /// A concurrent reader sees it whole or not at all.
    pub fn write(&self, name: &str, bytes: &[u8]) {
        let new = self.0.join(format!("{name}.new"));
        fs::write(&new, bytes).and_then(|()| fs::rename(new, self.0.join(name))).expect("a file is written");
    }

    pub fn remove(&self, name: &str) {
        let _ = fs::remove_file(self.0.join(name));
    }

    pub fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).expect("the folder is read");
        let name = |entry: std::io::Result<fs::DirEntry>| entry.ok()?.file_name().into_string().ok();
        entries.filter_map(name).filter(|name| !name.ends_with(".new")).collect()
    }

    pub fn append(&self, name: &str, line: &str) {
        let file = File::options().append(true).create(true).open(self.0.join(name));
        writeln!(file.expect("the file opens"), "{line}").expect("a line is written");
    }

    pub fn number(&self, name: &str) -> Option<u32> {
        String::from_utf8(self.read(name)?).ok()?.trim().parse().ok()
    }

    pub fn set_number(&self, name: &str, number: u32) {
        self.write(name, number.to_string().as_bytes());
    }
}
