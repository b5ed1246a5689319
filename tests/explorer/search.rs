//! Depth first through every state, each once; then along the fair continuation of every one of them.

use crate::design::Design;
use crate::laws::Law;
use crate::moves::{Move, Policy};
use crate::world::World;
use aptiqd::run::RunState;
use std::collections::{BTreeMap, HashMap};
use std::fmt;

const POLICIES: [Policy; 3] = [Policy::Fair, Policy::Silent, Policy::Bleak];

#[derive(Default)]
pub struct Found {
    pub states: usize,
    moves: usize,
    deepest: usize,
    /// States by the run's state in them.
    ends: BTreeMap<&'static str, usize>,
    pub violation: Option<(Law, Vec<String>)>,
}

impl Found {
    pub fn law(&self) -> String {
        self.violation
            .as_ref()
            .map(|(law, _)| law.clone())
            .unwrap_or_default()
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} states, {} moves, depth {}, ends {:?}",
            self.states, self.moves, self.deepest, self.ends
        )?;
        match &self.violation {
            Some((law, path)) => write!(f, "\nBROKEN: {law}\n  {}", path.join("\n  ")),
            None => Ok(()),
        }
    }
}

/// One state on the way: how it was reached, and where each policy leads from it.
struct Node {
    from: u32,
    by: Move,
    follows: [u32; 3],
    landed: bool,
    over: bool,
}

const NOWHERE: u32 = u32::MAX;

struct Search {
    design: Design,
    known: HashMap<u64, u32>,
    nodes: Vec<Node>,
    stack: Vec<(World, u32, usize)>,
    found: Found,
}

/// Searches until everything was seen, a law is broken, or `limit` states were met.
pub fn explore(mut world: World, design: Design, limit: usize) -> Found {
    let begun = world.begin_first(design);
    let mut search = Search {
        design,
        known: HashMap::new(),
        nodes: Vec::new(),
        stack: Vec::new(),
        found: Found::default(),
    };
    search.meet(world, NOWHERE, Move::Tick, 0);
    if let Err(law) = begun {
        search.broken(law, NOWHERE, None);
    }
    while let Some((world, node, depth)) = search.stack.pop() {
        if search.found.violation.is_some() || search.nodes.len() > limit {
            break;
        }
        search.expand(&world, node, depth);
    }
    search.found.states = search.nodes.len();
    if search.found.violation.is_none() && search.nodes.len() <= limit {
        search.converge();
    }
    search.found
}

impl Search {
    fn meet(&mut self, world: World, from: u32, by: Move, depth: usize) -> u32 {
        let key = world.key();
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let node = u32::try_from(self.nodes.len()).expect("fewer than four billion states");
        self.known.insert(key, node);
        let state = world.run.state;
        if world.is_over() {
            *self.found.ends.entry(state.as_str()).or_default() += 1;
        }
        self.nodes.push(Node {
            from,
            by,
            follows: [NOWHERE; 3],
            landed: state == RunState::Landed,
            over: world.is_over(),
        });
        self.found.deepest = self.found.deepest.max(depth);
        self.stack.push((world, node, depth));
        node
    }

    fn expand(&mut self, world: &World, node: u32, depth: usize) {
        let policies = POLICIES.map(|policy| world.policy(policy));
        let over = world.is_over();
        for wanted in world.moves() {
            self.found.moves += 1;
            match world.after(&wanted, self.design) {
                Ok(next) => {
                    let met = self.meet(next, node, wanted.clone(), depth + 1);
                    for (place, policy) in policies.iter().enumerate() {
                        if policy.as_ref() == Some(&wanted) {
                            self.nodes[node as usize].follows[place] = met;
                        }
                    }
                }
                Err(law) => return self.broken(law, node, Some(wanted)),
            }
        }
        if over {
            self.nodes[node as usize].follows = [node; 3];
        }
    }

    fn broken(&mut self, law: Law, node: u32, last: Option<Move>) {
        let mut path: Vec<String> = last.iter().map(|wanted| format!("{wanted:?}")).collect();
        let mut at = node;
        while let Some(node) = self.nodes.get(at as usize) {
            path.push(format!("{:?}", node.by));
            at = node.from;
        }
        path.reverse();
        self.found.violation = Some((law, path));
    }

    /// Law 7: from every state each policy leads to a settled run; and if all goes well from the first, it lands.
    fn converge(&mut self) {
        for (place, policy) in POLICIES.iter().enumerate() {
            let mut ends: Vec<u32> = vec![NOWHERE; self.nodes.len()];
            for first in 0..self.nodes.len() {
                let mut path = Vec::new();
                let mut at = u32::try_from(first).unwrap_or(NOWHERE);
                while at != NOWHERE && ends[at as usize] == NOWHERE && path.len() <= 10_000 {
                    path.push(at);
                    let next = self.nodes[at as usize].follows[place];
                    if next == at && self.nodes[at as usize].over {
                        ends[at as usize] = at;
                    }
                    at = next;
                }
                if at == NOWHERE || ends[at as usize] == NOWHERE {
                    let law = format!("stuck, {policy:?}: the run never settles");
                    return self.broken(law, path.last().copied().unwrap_or(NOWHERE), None);
                }
                let end = ends[at as usize];
                path.iter().for_each(|node| ends[*node as usize] = end);
            }
            let lands = self.nodes[ends[0] as usize].landed;
            if *policy != Policy::Bleak && !lands {
                return self.broken(
                    format!("all is well, {policy:?}, and yet it does not land"),
                    ends[0],
                    None,
                );
            }
        }
    }
}
