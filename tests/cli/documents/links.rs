//! Links within the repository, and the options that the text names.

use super::read::{Document, documents, quoted};
use crate::{code, run, stdout};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// What `](…)` leads to.
fn links(text: &str) -> Vec<&str> {
    let mut links = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        }
        if !inside {
            let ends = line.split("](").skip(1);
            links.extend(
                ends.filter_map(|rest| rest.split_once(')'))
                    .map(|(to, _)| to),
            );
        }
    }
    links
}

/// The anchors of a page's headings, as code hosts make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        }
        let title = line.trim_start_matches('#');
        if inside || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = |c: &char| c.is_alphanumeric() || " -_".contains(*c);
        let anchor: String = title.trim().to_lowercase().chars().filter(kept).collect();
        anchors.insert(anchor.replace(' ', "-"));
    }
    anchors
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    let mut dead = Vec::new();
    for document in documents() {
        let folder = document.path.parent().expect("a folder");
        for link in links(&document.text) {
            if link.contains("://") || link.starts_with("mailto:") {
                continue;
            }
            seen += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.path.clone(),
                path => folder.join(path),
            };
            let found = anchor.is_empty() && target.exists()
                || fs::read_to_string(&target).is_ok_and(|text| anchors(&text).contains(anchor));
            if !found {
                dead.push(format!("{}: {link}", document.name()));
            }
        }
    }
    assert!(seen > 30, "only {seen} links were seen");
    assert!(dead.is_empty(), "{dead:#?}");
}

/// The verb that words begin with, and its help.
struct Helps(BTreeMap<String, Option<String>>);

impl Helps {
    fn of(&mut self, verb: &str) -> Option<&str> {
        let ask = || {
            let folder = tempfile::tempdir().expect("a folder");
            let words: Vec<&str> = verb.split(' ').chain(["--help"]).collect();
            let output = run(folder.path(), &words);
            (code(&output) == 0).then(|| stdout(&output))
        };
        self.0.entry(verb.to_owned()).or_insert_with(ask).as_deref()
    }
}

/// What is wrong with a command in the text.
fn fault(command: &str, helps: &mut Helps) -> Option<String> {
    let words: Vec<&str> = command.split_whitespace().skip(1).collect();
    let is_verb = |word: &&&str| word.bytes().all(|byte| byte.is_ascii_lowercase());
    let verb = words.iter().find(is_verb)?;
    let two = words.iter().skip_while(|word| *word != verb).nth(1);
    let two = two.filter(is_verb).map(|second| format!("{verb} {second}"));
    let deeper = two.as_deref().filter(|two| {
        let help = helps.of(two);
        help.is_some_and(|help| help.contains(&format!("aptiqd {two}")))
    });
    let verb = deeper.unwrap_or(verb);
    let Some(help) = helps.of(verb) else {
        return Some(format!("there is no `aptiqd {verb}`"));
    };
    let options = words.iter().filter(|word| word.starts_with("--"));
    let unknown = options.map(|option| option.trim_end_matches(['.', ',', ']']));
    let mut unknown = unknown.filter(|option| !help.contains(option));
    unknown
        .next()
        .map(|option| format!("`aptiqd {verb}` has no {option}"))
}

#[test]
fn commands_in_the_text_name_verbs_and_options_that_are_there() {
    let mut helps = Helps(BTreeMap::new());
    let mut seen = 0;
    let mut faults = Vec::new();
    for document in documents() {
        let Document { text, .. } = &document;
        for command in quoted(text)
            .iter()
            .filter(|quoted| quoted.starts_with("aptiqd "))
        {
            seen += 1;
            if let Some(fault) = fault(command, &mut helps) {
                faults.push(format!("{}: `{command}`: {fault}", document.name()));
            }
        }
    }
    assert!(seen > 30, "only {seen} commands were seen");
    assert!(faults.is_empty(), "{faults:#?}");
    assert!(fault("aptiqd runs --since-when 1h", &mut helps).is_some());
    assert!(fault("aptiqd rnus", &mut helps).is_some());
    assert_eq!(fault("aptiqd store export > f", &mut helps), None);
}

#[test]
fn an_anchor_is_what_code_hosts_make_of_a_heading() {
    let text = "# Stop, start, upgrade\n```sh\n# no\n```\n## A `code` (one)\n#no\n";
    let expected = ["a-code-one", "stop-start-upgrade"].map(str::to_owned);
    assert_eq!(anchors(text), BTreeSet::from(expected));
}
