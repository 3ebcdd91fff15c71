//! `countersign man`: a man page for the program and for each command, generated from the clap tree.

use std::io;
use std::path::PathBuf;

use clap_mangen::Man as Page;
use countersign::error::{Error, Exit, Explain};
use countersign::save::Output;
use serde_json::json;

use crate::cli::{Man, tree};
use crate::terminal::Terminal;

pub(crate) fn run(arguments: &Man, terminal: &Terminal) -> Result<(), Error> {
    let folder = &arguments.folder;
    if !folder.is_dir() {
        return Err(NoFolder { folder: folder.clone() }.into());
    }
    let mut root = tree();
    root.build();
    let name = root.get_name().to_owned();
    let mut written = Vec::new();
    let commands = root.get_subcommands().filter(|command| command.get_name() != "help").cloned();
    for page in std::iter::once(root.clone()).chain(commands) {
        let title =
            if page.get_name() == name { name.clone() } else { format!("{name}-{}", page.get_name()) };
        let path = folder.join(format!("{title}.1"));
        let mut text = Vec::new();
        Page::new(page).title(title.to_uppercase()).render(&mut text).map_err(|source| Render { source })?;
        terminal.warn_of(&Output::at(&path)?.write(&text)?);
        written.push(path.display().to_string());
    }
    terminal.say(&format!("{} man pages written to {}", written.len(), folder.display()));
    terminal.document(&json!({ "written": written }))
}

#[derive(Debug, thiserror::Error)]
#[error("{folder:?} is not a folder")]
struct NoFolder {
    folder: PathBuf,
}

impl Explain for NoFolder {
    fn exit(&self) -> Exit {
        Exit::Other
    }
    fn hint(&self) -> Option<String> {
        Some("create it first: mkdir -p".into())
    }
}

#[derive(Debug, thiserror::Error)]
#[error("a man page cannot be written: {source}")]
struct Render {
    source: io::Error,
}

impl Explain for Render {
    fn exit(&self) -> Exit {
        Exit::Other
    }
}
