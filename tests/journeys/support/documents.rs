//! What the project's pages say, for comparing with the program.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::Value;

use crate::support::parts::root;

/// A page written in Markdown.
pub struct Page {
    name: String,
    parts: Vec<Part>,
}

/// The part between one heading and the next.
pub struct Part {
    pub heading: String,
    lines: Vec<String>,
}

impl Page {
    /// `name` is the path from the repository's root.
    pub fn read(name: &str) -> Self {
        let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let (mut parts, mut in_block) = (vec![Part { heading: String::new(), lines: Vec::new() }], false);
        for line in text.lines() {
            in_block ^= line.trim_start().starts_with("```");
            let heading = line.trim_start_matches('#');
            match heading.strip_prefix(' ').filter(|_| !in_block && heading.len() < line.len()) {
                Some(heading) => {
                    parts.push(Part { heading: heading.replace('`', ""), lines: Vec::new() });
                }
                None => parts.last_mut().expect("one is there").lines.push(line.to_owned()),
            }
        }
        Page { name: name.to_owned(), parts }
    }

    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    #[track_caller]
    fn part(&self, heading: &str) -> &Part {
        let found = self.parts.iter().find(|part| part.heading == heading);
        found.unwrap_or_else(|| panic!("{} has no heading {heading:?}", self.name))
    }

    /// The rows of the page's table whose first column has this heading.
    #[track_caller]
    pub fn rows(&self, first_column: &str) -> Vec<Vec<String>> {
        let part = self.parts.iter().find(|part| part.has_table(first_column));
        part.unwrap_or_else(|| panic!("{} has no table with a column {first_column:?}", self.name))
            .rows(first_column)
    }

    /// The differences between the members in the part's table and those of real documents.
    pub fn compare_members(&self, heading: &str, documents: &[Value]) -> Vec<String> {
        let documented = self.members(heading);
        let mut found = Members::default();
        documents.iter().for_each(|document| found.collect(document, ""));
        let problem = |member: &str, what: &str| format!("{}, {heading}: `{member}` {what}", self.name);
        let is_documented = |member: &&String| documented.keys().any(|path| starts_with_member(path, member));
        let mut problems: Vec<String> = found
            .0
            .keys()
            .filter(|member| !is_documented(member))
            .map(|member| problem(member, "is not documented"))
            .collect();
        for (member, values) in &documented {
            let Some(real) = found.0.get(member) else {
                problems.push(problem(member, "is documented, and no document has it"));
                continue;
            };
            for value in real.iter().filter(|_| !values.is_empty()).filter(|value| !values.contains(*value)) {
                problems.push(problem(member, &format!("can be {value:?}, which is not documented")));
            }
        }
        problems.extend(self.compare_examples(heading, documents));
        problems
    }

    /// An example document must have the members of one that the program prints.
    pub fn compare_examples(&self, heading: &str, documents: &[Value]) -> Vec<String> {
        let members = |document: &Value| {
            let mut members = Members::default();
            members.collect(document, "");
            members.0.into_keys().collect::<BTreeSet<_>>()
        };
        let real: Vec<_> = documents.iter().map(members).collect();
        let examples = self.part(heading).examples();
        let other = examples.iter().filter(|example| !real.contains(&members(example)));
        other
            .map(|example| format!("{}, {heading}: no document has the members of {example}", self.name))
            .collect()
    }

    /// The members in the part's table, each with its possible values if the table lists them as `one of`.
    fn members(&self, heading: &str) -> BTreeMap<String, BTreeSet<String>> {
        let mut members = BTreeMap::new();
        for row in self.part(heading).rows("member") {
            let values = match row[1].split_once("one of ") {
                Some((_, values)) => code(values).into_iter().collect(),
                None => BTreeSet::new(),
            };
            for member in code(&row[0]) {
                for shared in ["Device", "Key"] {
                    if row[1].starts_with(&format!("the [{0}](#{0})", shared.to_lowercase())) {
                        let inner = self.members(shared).into_iter();
                        members.extend(inner.map(|(name, values)| (format!("{member}.{name}"), values)));
                    }
                }
                members.insert(member, values.clone());
            }
        }
        members
    }
}

impl Part {
    /// The cells of the table whose first column has this heading, without its head.
    #[track_caller]
    fn rows(&self, first_column: &str) -> Vec<Vec<String>> {
        let mut lines = self.lines.iter().map(|line| cells(line));
        let found = lines.by_ref().any(|row| row.first().is_some_and(|cell| cell == first_column));
        assert!(found, "{:?} has no table with a column {first_column:?}", self.heading);
        lines.skip(1).take_while(|row| !row.is_empty()).collect()
    }

    pub fn has_table(&self, first_column: &str) -> bool {
        self.lines.iter().any(|line| cells(line).first().is_some_and(|cell| cell == first_column))
    }

    /// Its text without the blocks of code.
    pub fn prose(&self) -> String {
        let mut in_block = false;
        let outside = self.lines.iter().filter(|line| {
            let is_fence = line.trim_start().starts_with("```");
            in_block ^= is_fence;
            !in_block && !is_fence
        });
        outside.map(|line| line.as_str()).collect::<Vec<_>>().join("\n")
    }

    /// The blocks of code, without their fences.
    pub fn blocks(&self) -> Vec<String> {
        let (mut blocks, mut block) = (Vec::new(), None);
        for line in &self.lines {
            block = match (line.trim_start().starts_with("```"), block.take()) {
                (true, None) => Some(String::new()),
                (true, Some(block)) => {
                    blocks.push(block);
                    None
                }
                (false, block) => block.map(|block| block + line + "\n"),
            };
        }
        blocks
    }

    /// The JSON documents that commands in its blocks print.
    pub fn examples(&self) -> Vec<Value> {
        let printed = |block: &String| block.find("\n{").map(|start| block[start..].to_owned());
        let blocks = self.blocks();
        let document = |text: String| serde_json::Deserializer::from_str(&text).into_iter().next()?.ok();
        blocks.iter().filter_map(printed).filter_map(document).collect()
    }
}

/// The texts in backticks.
pub fn code(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(|code| code.replace("\\|", "|")).collect()
}

/// The paths of members, each with the texts that it was seen with.
#[derive(Default)]
struct Members(BTreeMap<String, BTreeSet<String>>);

impl Members {
    fn collect(&mut self, value: &Value, path: &str) {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                    self.0.entry(path.clone()).or_default();
                    self.collect(member, &path);
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.collect(item, &format!("{path}[]"))),
            Value::String(text) => {
                self.0.entry(path.trim_end_matches("[]").to_owned()).or_default().insert(text.clone());
            }
            _ => {}
        }
    }
}

/// Whether a path is a member's, or is within it.
fn starts_with_member(path: &str, member: &str) -> bool {
    path.strip_prefix(member).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// The cells of a table's line; none for any other line.
fn cells(line: &str) -> Vec<String> {
    let Some(inner) = line.trim().strip_prefix('|').and_then(|line| line.strip_suffix('|')) else {
        return Vec::new();
    };
    let inner = inner.replace("\\|", "\u{0}");
    inner.split('|').map(|cell| cell.trim().replace('\u{0}', "\\|")).collect()
}
