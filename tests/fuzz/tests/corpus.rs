//! Every target over every input of its corpus, and over some that nobody would send.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;

use coffer_fuzz::TARGETS;

#[test]
fn every_input_keeps_its_targets_promises() {
    let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for target in TARGETS {
        let mut inputs = 0;
        for entry in std::fs::read_dir(corpora.join(target.name)).unwrap() {
            let path = entry.unwrap().path();
            let input = std::fs::read(&path).unwrap();
            println!("{}", path.display());
            (target.run)(&input);
            (target.run)(&input[..input.len() / 2]);
            inputs += 1;
        }
        (target.run)(&[]);
        (target.run)(&[0xff; 4096]);
        println!("{}: {inputs} inputs", target.name);
        assert!(inputs > 0, "{} has no corpus", target.name);
    }
}
