//! `countersign merge`: the approvals of several people in one file.

use countersign::error::Error;
use countersign::save::{self, Output};
use countersign::signing::{InFile, Purpose, read_all};
use countersign::tokenfile::{TokenFile, merge};
use serde_json::json;

use super::quorum;
use super::usage::UsageError;
use crate::cli::Merge;
use crate::terminal::Terminal;
use countersign::printable::one_line;

pub(crate) fn run(arguments: &Merge, terminal: &Terminal) -> Result<(), Error> {
    let to_stdout = save::is_dash(&arguments.output);
    if to_stdout && terminal.wants_json() {
        return Err(UsageError::JsonAndStdout.into());
    }
    let output = if to_stdout { None } else { Some(Output::at(&arguments.output)?) };
    let inputs = read_all(&arguments.files, Purpose::Look)?;
    let files: Vec<TokenFile> = inputs.iter().filter_map(|input| input.tokens.clone()).collect();
    let merged = merge(&files).map_err(|(index, source)| InFile {
        name: inputs[index].name(),
        what: "merged",
        source,
    })?;
    let result = TokenFile::parse(&merged).map_err(|source| InFile {
        name: "the result".into(),
        what: "merged",
        source,
    })?;
    match &output {
        Some(output) => terminal.warn_of(&output.write(&merged)?),
        None => terminal.data(&merged)?,
    }
    let users: Vec<&str> = result.approvals().iter().map(|approval| approval.username.as_str()).collect();
    let names: Vec<String> = users.iter().map(|user| one_line(user)).collect();
    let count = if names.len() == 1 { "1 approval".into() } else { format!("{} approvals", names.len()) };
    let place = if to_stdout { "stdout".into() } else { arguments.output.display().to_string() };
    terminal.say(&format!("{count} in {place}: {}", names.join(", ")));
    for warning in quorum::warnings(&result) {
        terminal.warn(&warning);
    }
    terminal.document(&json!({ "written": arguments.output.display().to_string(), "approvers": users }))
}
