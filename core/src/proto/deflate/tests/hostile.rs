//! What only an attacker or a broken peer sends. The numbers are those of the list of known attacks on
//! compression.

use super::*;

/// What a receiver holds for the message under way.
fn held(payload: &[u8], limit: usize, pieces: usize) -> (Option<Violation>, usize) {
    let traffic = Arc::default();
    let mut inflation =
        Inflation::new(terms(DeflateMode::Shared, 15), DeflateMode::Shared, traffic);
    let mut out = Assembly::default();
    inflation.begin().unwrap();
    let mut found = Ok(());
    for piece in payload.chunks(payload.len().div_ceil(pieces)) {
        found = found.and_then(|()| inflation.push(piece, &mut out, limit as u64));
    }
    found = found.and_then(|()| inflation.finish(&out));
    (found.err(), out.capacity())
}

#[test]
fn zip_01_a_bomb_fails_before_it_is_there() {
    let bomb = Peer::new(9).message(&vec![0; 16 << 20]);
    assert!(bomb.len() < 17_000);
    for (limit, pieces) in [(100, 1), (64 << 10, 1), (1 << 20, 1), (1 << 20, 100)] {
        let (violation, held) = held(&bomb, limit, pieces);
        assert_eq!(violation, Some(Violation::MessageTooBig));
        assert!(held <= limit + (64 << 10), "{held} bytes held for a limit of {limit}");
    }
    assert_eq!(held(&bomb, 16 << 20, 1).0, None);
}

#[test]
fn zip_02_a_bomb_in_fragments_fails_and_a_thousand_small_ones_are_messages() {
    let bomb = Peer::new(9).message(&vec![0; 4 << 20]);
    for (ours, mode) in ROLES.into_iter().flat_map(|ours| MODES.map(|mode| (ours, mode))) {
        let mut got = Vec::new();
        let mut receiver = receiver(ours, mode, 1 << 20);
        feed(&mut receiver, &compressed_to(ours, false, Opcode::Binary, &bomb[..1]), &mut got);
        for piece in bomb[1..].chunks(100) {
            feed(&mut receiver, &frame_to(ours, false, Opcode::Continuation, piece), &mut got);
        }
        assert_eq!(got, [Got::Failed(Violation::MessageTooBig)], "{mode:?}");
    }
    let small = Peer::new(9).message(&vec![0; 64 << 10]);
    let mut receiver = receiver(Role::Server, DeflateMode::Shared, 64 << 10);
    for _ in 0..1000 {
        let got = receive(&mut receiver, Role::Server, &[&small]);
        assert!(matches!(&got[..], [Got::Binary(data)] if data.len() == 64 << 10));
    }
}

#[test]
fn zip_03_04_the_limit_is_of_what_is_inflated_and_exact_on_every_path() {
    let message = prose(5000);
    for (ours, mode) in ROLES.into_iter().flat_map(|ours| MODES.map(|mode| (ours, mode))) {
        for (limit, fits) in [(5000, true), (4999, false), (700, false)] {
            for pieces in [1, 3] {
                let payload = Peer::new(6).message(&message);
                let mut receiver = receiver(ours, mode, limit);
                let mut got = Vec::new();
                let mut parts = payload.chunks(payload.len().div_ceil(pieces)).peekable();
                let mut first = true;
                while let Some(part) = parts.next() {
                    let fin = parts.peek().is_none();
                    let frame = if std::mem::take(&mut first) {
                        compressed_to(ours, fin, Opcode::Binary, part)
                    } else {
                        frame_to(ours, fin, Opcode::Continuation, part)
                    };
                    feed(&mut receiver, &frame, &mut got);
                }
                let expected = if fits {
                    Got::Binary(message.clone())
                } else {
                    Got::Failed(Violation::MessageTooBig)
                };
                assert_eq!(got, [expected], "{ours:?} {mode:?} {limit} {pieces}");
            }
        }
    }
    // What arrives compressed may be larger than the limit of what it becomes.
    let noise = noise(1000);
    let payload = Peer::new(0).message(&noise);
    let mut receiver = receiver(Role::Client, DeflateMode::Shared, 1000);
    let got = receive(&mut receiver, Role::Client, &[&payload]);
    assert!(payload.len() > 1000 && got == [Got::Binary(noise)]);
}

#[test]
fn zip_06_behind_the_limit_nothing_more_is_looked_at() {
    let mut bomb = Peer::new(9).message(&vec![0; 1 << 20]);
    bomb.extend_from_slice(&[0xff; 100]);
    for mode in MODES {
        let mut receiver = receiver(Role::Server, mode, 1000);
        let got = receive(&mut receiver, Role::Server, &[&bomb, &HELLO]);
        assert_eq!(got, [Got::Failed(Violation::MessageTooBig)], "{mode:?}: one error");
    }
}

#[test]
fn zip_07_damage_is_a_violation_or_another_text_and_never_a_hang() {
    let payload = Peer::new(6).message(&prose(400));
    for mode in MODES {
        let mut outcomes = [0; 2];
        for bit in 0..payload.len() * 8 {
            let mut damaged = payload.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let mut receiver = receiver(Role::Server, mode, 10_000);
            match &receive(&mut receiver, Role::Server, &[&damaged])[..] {
                [Got::Failed(Violation::Deflate | Violation::MessageTooBig)] => outcomes[0] += 1,
                [Got::Binary(_)] => outcomes[1] += 1,
                other => panic!("{mode:?}, bit {bit}: {other:?}"),
            }
        }
        assert!(outcomes[0] > 100 && outcomes[1] > 0, "{mode:?}: {outcomes:?}");
    }
    let reserved_block: &[u8] = &[0x06, 0x00];
    let wrong_length = &[0x00, 0x05, 0x00, 0xfa, 0xfe, b'H', 0x00];
    let too_far_back = &[0xf2, 0x00, 0x11, 0x00, 0x00];
    for bad in [reserved_block, wrong_length, too_far_back] {
        for mode in MODES {
            let mut receiver = receiver(Role::Client, mode, 100);
            let got = receive(&mut receiver, Role::Client, &[bad]);
            assert_eq!(got, [Got::Failed(Violation::Deflate)], "{mode:?} {bad:02x?}");
        }
    }
}

#[test]
fn zip_07_08_a_message_that_ends_within_a_block_fails() {
    let payload = Peer::new(6).message(&prose(400));
    for mode in MODES {
        for cut in 1..payload.len() {
            let mut receiver = receiver(Role::Server, mode, 10_000);
            let got = receive(&mut receiver, Role::Server, &[&payload[..cut]]);
            assert_eq!(got, [Got::Failed(Violation::Deflate)], "{mode:?}, cut at {cut}");
        }
        // The four bytes that belong to the end of every message were not taken off, or it is only
        // them that came.
        for bad in [[&payload[..], &TAIL].concat(), TAIL.to_vec()] {
            let mut receiver = receiver(Role::Server, mode, 10_000);
            let got = receive(&mut receiver, Role::Server, &[&bad]);
            assert_eq!(got, [Got::Failed(Violation::Deflate)], "{mode:?}");
        }
    }
}

#[test]
fn zip_08_final_blocks_may_come_anywhere() {
    let (one, two) = (prose(3000), noise(50));
    for mode in MODES {
        let ended = finished(&one);
        let amid = [&ended[..], &Peer::new(6).message(&two)].concat();
        let twice = [&ended[..], &finished(&two)].concat();
        let with_header = [&ended[..], &[0x00]].concat();
        for (payload, expected) in [
            (ended.clone(), one.clone()),
            (with_header, one.clone()),
            (amid, [&one[..], &two].concat()),
            (twice, [&one[..], &two].concat()),
        ] {
            let mut receiver = receiver(Role::Server, mode, 10_000);
            let payloads: [&[u8]; 3] = [&HELLO, &payload, &HELLO];
            let got = receive(&mut receiver, Role::Server, &payloads);
            let hello = Got::Binary(b"Hello".to_vec());
            assert_eq!(got, [hello.clone(), Got::Binary(expected), hello], "{mode:?}");
        }
        let garbage = [&ended[..], &[0xff; 3]].concat();
        let mut receiver = receiver(Role::Server, mode, 10_000);
        let got = receive(&mut receiver, Role::Server, &[&garbage]);
        assert_eq!(got, [Got::Failed(Violation::Deflate)], "{mode:?}");
    }
}

#[test]
fn zip_08_behind_a_final_block_the_window_is_still_there() {
    // A stream that begins with the window of the one before, as a compressor primed with it has.
    let one = noise(600);
    let mut primed = Compressor::new(6, false, 15);
    primed.set_dictionary(&one).unwrap();
    let again = Peer(primed).message(&one);
    assert!(again.len() < 50);
    let both = [&finished(&one)[..], &again].concat();
    for mode in MODES {
        let mut receiver = receiver(Role::Server, mode, 10_000);
        let got = receive(&mut receiver, Role::Server, &[&both]);
        assert_eq!(got, [Got::Binary([&one[..], &one].concat())], "{mode:?}: in one message");
    }
    for mode in [DeflateMode::Dedicated, DeflateMode::Parked] {
        let mut receiver = receiver(Role::Server, mode, 10_000);
        let got = receive(&mut receiver, Role::Server, &[&finished(&one), &again]);
        let one = Got::Binary(one.clone());
        assert_eq!(got, [one.clone(), one], "{mode:?}: in the next message");
    }
}

#[test]
fn zip_08_many_final_blocks_cost_no_more_than_their_bytes() {
    let empty_final = [0x03, 0x00].repeat(100_000);
    for mode in MODES {
        let mut receiver = receiver(Role::Server, mode, 1000);
        let got = receive(&mut receiver, Role::Server, &[&HELLO, &empty_final]);
        assert_eq!(failed(&got), Some(Violation::Deflate), "{mode:?}");
    }
}

#[test]
fn zip_09_a_decompressor_of_the_loop_forgets_whose_it_was() {
    let back_reference = [0xf2, 0x00, 0x11, 0x00, 0x00];
    for mode in [DeflateMode::Shared, DeflateMode::Parked] {
        let mut spare = SpareInflater::default();
        for payload in [&HELLO[..], &HELLO[..3]] {
            let mut one = receiver(Role::Server, mode, 100);
            one.lend_inflater(&mut spare);
            receive(&mut one, Role::Server, &[payload]);
            one.reclaim_inflater(&mut spare);
            let mut other = receiver(Role::Server, mode, 100);
            other.lend_inflater(&mut spare);
            let got = receive(&mut other, Role::Server, &[&back_reference]);
            assert_eq!(got, [Got::Failed(Violation::Deflate)], "{mode:?}");
        }
    }
}

#[test]
fn zip_11_a_million_empty_blocks_are_an_empty_message() {
    let blocks = [0x00, 0x00, 0x00, 0xff, 0xff].repeat(1_000_000);
    let payload = [&blocks[..], &[0x00]].concat();
    for pieces in [1, 1000] {
        let (violation, held) = held(&payload, 100, pieces);
        assert_eq!(violation, None);
        assert!(held <= 64 << 10, "{held}");
    }
}

#[test]
fn zip_13_rsv1_means_compression_only_where_that_was_agreed_and_may_begin() {
    for ours in ROLES {
        let mut got = Vec::new();
        let frame = compressed_to(ours, true, Opcode::Binary, &HELLO);
        feed(&mut Receiver::new(ours, &Tuning::default()), &frame, &mut got);
        let mut second = receiver(ours, DeflateMode::Shared, 100);
        feed(&mut second, &compressed_to(ours, false, Opcode::Binary, &HELLO), &mut got);
        feed(&mut second, &compressed_to(ours, true, Opcode::Continuation, b""), &mut got);
        for opcode in [Opcode::Ping, Opcode::Pong, Opcode::Close] {
            let mut third = receiver(ours, DeflateMode::Shared, 100);
            feed(&mut third, &compressed_to(ours, true, opcode, b""), &mut got);
        }
        assert_eq!(got, vec![Got::Failed(Violation::ReservedBit); 5]);
    }
}
