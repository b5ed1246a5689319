//! Law 6 and 1 as an order of steps: an acknowledged commit is on a disk that forgets what was not synced. The steps of real
//! commits are judged, then every small disorder of them.

use super::*;
use crate::store::journal::segment;
use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Mutex;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Create,
    /// What every segment begins with; no commit yet.
    Head,
    Append,
    Sync,
    SyncFolder,
    SyncFailed,
    Acknowledge,
}

#[derive(Default)]
struct Recorder(Mutex<Vec<Step>>);

impl Recorder {
    fn note(&self, step: Step) {
        self.0.lock().expect("nobody panics with it").push(step);
    }
}

impl Medium for Recorder {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.note(Step::Create);
        Os.create(path)
    }

    fn append(&self, file: &mut File, bytes: &[u8]) -> io::Result<()> {
        self.note(match bytes == segment::header() {
            true => Step::Head,
            false => Step::Append,
        });
        Os.append(file, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.note(Step::Sync);
        Os.sync(file)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.note(Step::SyncFolder);
        Os.sync_folder(path)
    }
}

/// What would be lost if the power failed right after the step, although somebody was told otherwise.
fn judge(steps: &[Step]) -> Result<(), &'static str> {
    let (mut dirty, mut nameless, mut failed, mut pending) = (false, false, false, false);
    for step in steps {
        match step {
            Step::Create => nameless = true,
            Step::Head => dirty = true,
            Step::Append => (dirty, pending) = (true, true),
            Step::SyncFailed => failed = true,
            Step::Sync if failed => return Err("a failed sync was tried again"),
            Step::Sync => dirty = false,
            Step::SyncFolder => nameless = false,
            Step::Acknowledge if failed => return Err("acknowledged after a failed sync"),
            Step::Acknowledge if dirty => return Err("acknowledged, and the bytes may be lost"),
            Step::Acknowledge if nameless => return Err("acknowledged, and the file may be lost"),
            Step::Acknowledge if !pending => return Err("acknowledged what was never written"),
            Step::Acknowledge => pending = false,
        }
    }
    Ok(())
}

fn disorders(steps: &[Step]) -> BTreeMap<&'static str, Vec<Vec<Step>>> {
    let mut wrong: BTreeMap<&'static str, Vec<Vec<Step>>> = BTreeMap::new();
    let without = |at: usize| [&steps[..at], &steps[at + 1..]].concat();
    for (at, step) in steps.iter().enumerate() {
        let mut add = |name, steps| wrong.entry(name).or_default().push(steps);
        let acknowledged = steps.get(at + 1) == Some(&Step::Acknowledge);
        match step {
            Step::Sync if acknowledged => {
                add("not synced", without(at));
                let mut early = steps.to_vec();
                early.swap(at, at + 1);
                add("acknowledged before the sync", early);
                let mut again = steps.to_vec();
                again.insert(at, Step::SyncFailed);
                add("a failed sync is tried again", again);
                let mut ignored = steps.to_vec();
                ignored[at] = Step::SyncFailed;
                add("a failed sync is ignored", ignored);
            }
            Step::SyncFolder => add("the folder is not synced", without(at)),
            Step::Append if steps.get(at + 2) == Some(&Step::Acknowledge) => {
                let mut first = steps.to_vec();
                first[at..at + 3].rotate_right(1);
                add("acknowledged before it is written", first);
            }
            _ => {}
        }
    }
    wrong
}

#[tokio::test]
async fn commits_are_in_order_and_every_disorder_is_noticed() {
    let folder = place();
    let recorder = Arc::new(Recorder::default());
    let (disk, _) = Disk::open_on(settings(folder.path()), recorder.clone()).unwrap();
    for number in 0..60 {
        disk.commit(sample::commit(number)).await.unwrap();
        recorder.note(Step::Acknowledge);
    }
    let steps = recorder.0.lock().unwrap().clone();
    let created = steps.iter().filter(|step| **step == Step::Create).count();
    assert!(created > 2, "too few segments to see their folder synced");
    assert_eq!(judge(&steps), Ok(()));
    let wrong = disorders(&steps);
    assert_eq!(wrong.len(), 6, "{:?}", wrong.keys());
    for (name, all) in wrong {
        let survivors = all.iter().filter(|steps| judge(steps).is_ok()).count();
        println!("{name}: {} tried, {survivors} not noticed", all.len());
        assert_eq!(survivors, 0, "{name}");
    }
}
