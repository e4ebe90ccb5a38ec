//! What others have published about the formats that the log is written in, held against what signs and verifies it.
//!
//! Takes: published keys, notes, checkpoints and proofs. Gives: agreement. May name: powers.
//!
//! Sources: golang.org/x/mod/sumdb/note (its documentation), the specification c2sp.org/signed-note, sum.golang.org,
//! sigsum-go's tests of its checkpoints, and the tree of eight entries of Certificate Transparency's reference
//! implementation with the proofs that transparency-dev/merkle publishes for it.

use super::file_tests::tests_dir;
use super::shelf::{bundle, path};
use super::{BadCheckpoint, BookKey, KEY_FILE, Known, PUBLIC_FILE};
use crate::powers::SystemEntropy;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{Ed25519KeyPair, KeyPair};
use signed_note::{Note, StandardVerifier, VerifierList, key_id};
use tlog_tiles::{Checkpoint, Hash, Tile, check_record, check_tree, record_hash};

/// Verifier keys and the notes that they have signed.
const NOTES: [(&str, &str); 3] = [
    (
        "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
         — PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n",
    ),
    (
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "This is an example message.\n\n\
         — example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
    ),
    (
        "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8",
        "go.sum database tree\n30055305\nmXfgRcJ0bG0j3CPdKwgGWtUzBUbX67saZGRmFuJGGsM=\n\n\
         — sum.golang.org Az3grpgEild5qw7+5dtV13Kf1C2Xurm8q4fhdxvcsDHnqNTaxL2AFjBY+2TyGKevucFcAAlWFJJYle3EJlDCrQ+y3A8=\n",
    ),
];

/// A checkpoint of sigsum-go, signed by the secret key 17, 0, 0, ….
const SIGSUM: &str = "sigsum.org/v1/tree/e796172b92befd62d9dc67e41c2f5bc9d3100a3023b20b1ca40288dd1c679e69\n10\n\
    HA5HAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\
    — sigsum.org/v1/tree/e796172b92befd62d9dc67e41c2f5bc9d3100a3023b20b1ca40288dd1c679e69 \
    gJ2ho0n8F8olcerUF1FFdv235A/5as/coWrpLrtE7ovMeP5whgwouYExowG/lTznxu6OUGjjt5yJQ6bXtTcf718MqAQ=\n";

fn verifies(key: &str, note: &str) -> bool {
    let list = VerifierList::new(vec![Box::new(StandardVerifier::new(key).unwrap())]);
    Note::from_bytes(note.as_bytes()).is_ok_and(|note| note.verify(&list).is_ok())
}

#[test]
fn published_notes_verify_and_changed_ones_do_not() {
    for (key, note) in NOTES {
        assert!(verifies(key, note), "{key}");
        let changed = note.replacen('e', "E", 1);
        assert!(!verifies(key, &changed), "{key}");
        for (other, _) in NOTES.iter().filter(|(other, _)| *other != key) {
            assert!(!verifies(other, note), "{key} {other}");
        }
    }
    let text = Note::from_bytes(NOTES[2].1.as_bytes()).unwrap();
    let checkpoint = Checkpoint::from_bytes(text.text()).unwrap();
    assert_eq!((checkpoint.origin(), checkpoint.size()), ("go.sum database tree", 30_055_305));
    // That log signs under another name than it has; ours do not, so as a log of ours it is refused.
    let known = Known::parse(NOTES[2].0).unwrap();
    let refused = known.verify(NOTES[2].1.as_bytes()).unwrap_err();
    assert_eq!(refused, BadCheckpoint::Origin("go.sum database tree".into()));
}

#[test]
fn our_key_signs_a_published_checkpoint_byte_for_byte() {
    let mut seed = [0; 32];
    seed[0] = 17;
    let mut public = vec![1];
    public.extend_from_slice(Ed25519KeyPair::from_seed_unchecked(&seed).unwrap().public_key().as_ref());
    let origin = SIGSUM.lines().next().unwrap();
    let (_guard, dir) = tests_dir();
    dir.write(KEY_FILE, seed).unwrap();
    let line = format!("{origin}+{:08x}+{}\n", key_id(origin, &public), STANDARD.encode(&public));
    dir.write(PUBLIC_FILE, line).unwrap();
    let key = BookKey::open(&dir, &SystemEntropy).unwrap();
    let mut root = [0; 32];
    root[..3].copy_from_slice(&[28, 14, 71]);
    let signed = key.sign(10, Hash(root)).unwrap();
    assert_eq!(String::from_utf8(signed.note.clone()).unwrap(), SIGSUM);
    assert_eq!(key.known().verify(SIGSUM.as_bytes()).unwrap(), signed);
}

#[test]
fn the_published_tree_of_eight_entries_has_its_roots_and_proofs() {
    let entries =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let mut edge = super::edge::Edge::default();
    let leaves: Vec<Hash> = entries.iter().map(|e| record_hash(&hex::decode(e).unwrap())).collect();
    for (leaf, root) in leaves.iter().zip(roots) {
        edge.push(*leaf).unwrap();
        assert_eq!(hex::encode(edge.root().unwrap().0), root, "{} entries", edge.size());
    }
    let root = |n: usize| Hash(hex::decode(roots[n - 1]).unwrap().try_into().unwrap());
    let hashes = |texts: &[&str]| texts.iter().map(|t| Hash::parse_hash(t).unwrap()).collect::<Vec<_>>();
    let since = hashes(&[
        "Xwg/ChozygdqlSeYMlgNs+DvRYS9/x9UyKNg9Q3jAx4=",
        "vBoGQ7EuTS18d5GPROD095qDi2z57FtcKD4fTYhZnms=",
    ]);
    check_tree(&since, 5, root(5), 2, root(2)).unwrap();
    assert!(check_tree(&since, 5, root(5), 3, root(3)).is_err());
    let third = vec![root(2)];
    check_record(&third, 3, root(3), 2, leaves[2]).unwrap();
    assert!(check_record(&third, 3, root(3), 1, leaves[1]).is_err());
}

#[test]
fn a_tree_of_70000_entries_has_the_tiles_that_the_specification_names() {
    let files: Vec<String> = Tile::new_tiles(8, 0, 70_000).iter().map(path).collect();
    assert_eq!(files.iter().filter(|file| file.starts_with("tile/0/") && !file.contains(".p/")).count(), 273);
    for file in ["tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"] {
        assert!(files.iter().any(|f| f == file), "{file}");
    }
    assert_eq!(files.len(), 273 + 4);
    assert_eq!(bundle(273, 70_000).map(|tile| path(&tile)).as_deref(), Some("tile/entries/273.p/112"));
    assert_eq!(path(&Tile::new(8, 0, 1_234_067, 256, true)), "tile/entries/x001/x234/067");
}
