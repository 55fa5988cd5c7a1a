use super::super::tests::{KEY, OPCODES, ROLES};
use super::*;

const LENGTHS: [u64; 18] = [
    0,
    125,
    126,
    127,
    0xffff,
    0x1_0000,
    16 << 20,
    (16 << 20) + 1,
    (1 << 31) - 1,
    1 << 31,
    (1 << 32) - 1,
    1 << 32,
    (1 << 63) - 15,
    (1 << 63) - 1,
    1 << 63,
    u64::MAX - 13,
    u64::MAX - 9,
    u64::MAX,
];

/// A header with its length in 0, 2 or 8 bytes, whether that is right or not.
fn raw(first: u8, masked: bool, len: u64, width: usize) -> Vec<u8> {
    let bytes = len.to_be_bytes();
    let short = match width {
        0 => bytes[7],
        2 => 126,
        _ => 127,
    };
    let mut out = vec![first, u8::from(masked) << 7 | short];
    out.extend_from_slice(&bytes[8 - width..]);
    if masked {
        out.extend_from_slice(&KEY);
    }
    out
}

fn fewest_bytes(len: u64) -> usize {
    match len {
        0..=125 => 0,
        126..=0xffff => 2,
        _ => 8,
    }
}

fn masked_for(ours: Role) -> bool {
    ours == Role::Server
}

/// The picture in RFC 6455 section 5.2, bit by bit.
fn naive(input: &[u8], ours: Role) -> Result<Option<(Header, usize)>, Violation> {
    let bit = |at: usize| input[at / 8] >> (7 - at % 8) & 1 == 1;
    let number = |from: usize, bits: usize| {
        (from..from + bits).fold(0_u64, |number, at| number * 2 + u64::from(bit(at)))
    };
    if input.len() < 2 {
        return Ok(None);
    }
    if bit(2) || bit(3) {
        return Err(Violation::ReservedBit);
    }
    let code = number(4, 4);
    let Some(&opcode) = OPCODES.iter().find(|opcode| **opcode as u64 == code) else {
        return Err(Violation::UnknownOpcode(input[0] % 16));
    };
    let (fin, compressed, masked, short) = (bit(0), bit(1), bit(8), number(9, 7));
    if masked != masked_for(ours) {
        return Err(Violation::Masking);
    }
    if code >= 8 {
        if compressed {
            return Err(Violation::ReservedBit);
        }
        if !fin {
            return Err(Violation::FragmentedControl);
        }
        if short >= 126 {
            return Err(Violation::ControlTooLong);
        }
    }
    let width = match short {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    if width == 8 && input.len() > 2 && bit(16) {
        return Err(Violation::LengthOverflow);
    }
    if input.len() < 2 + width {
        return Ok(None);
    }
    let len = if width == 0 { short } else { number(16, 8 * width) };
    if width != fewest_bytes(len) {
        return Err(Violation::NonMinimalLength);
    }
    let used = 2 + width + if masked { 4 } else { 0 };
    if input.len() < used {
        return Ok(None);
    }
    let mask = masked.then(|| [0, 1, 2, 3].map(|at| input[used - 4 + at]));
    Ok(Some((Header { fin, compressed, opcode, mask, len }, used)))
}

#[test]
fn every_length_is_exact_or_refused() {
    for (len, ours, masked, opcode) in LENGTHS.iter().flat_map(|len| {
        ROLES.iter().flat_map(move |ours| {
            [false, true].into_iter().flat_map(move |masked| {
                OPCODES.iter().map(move |opcode| (*len, *ours, masked, *opcode))
            })
        })
    }) {
        let name = format!("{len} bytes, {opcode:?}, masked {masked}, {ours:?}");
        let input = raw(0x80 | opcode as u8, masked, len, fewest_bytes(len));
        let expected = if masked != masked_for(ours) {
            Err(Violation::Masking)
        } else if opcode.is_control() && len > 125 {
            Err(Violation::ControlTooLong)
        } else if len >> 63 == 1 {
            Err(Violation::LengthOverflow)
        } else {
            let mask = masked.then_some(KEY);
            Ok(Some((Header { fin: true, compressed: false, opcode, mask, len }, input.len())))
        };
        assert_eq!(Header::parse(&input, ours), expected, "{name}");
        assert!(input.len() <= MAX_HEADER, "{name}");
    }
}

#[test]
fn reserved_opcodes_fail_after_two_bytes() {
    for opcode in (3..8).chain(11..16) {
        for ours in ROLES {
            let input = raw(0x80 | opcode, masked_for(ours), 1 << 62, 8);
            for end in 2..input.len() {
                let parsed = Header::parse(&input[..end], ours);
                assert_eq!(parsed, Err(Violation::UnknownOpcode(opcode)), "{opcode} {ours:?}");
            }
        }
    }
}

#[test]
fn lengths_in_too_many_bytes_are_refused() {
    for (len, width) in [(0, 2), (1, 2), (125, 2), (0, 8), (125, 8), (126, 8), (0xffff, 8)] {
        for ours in ROLES {
            let input = raw(0x82, masked_for(ours), len, width);
            let end = 2 + width;
            let refused = Err(Violation::NonMinimalLength);
            assert_eq!(Header::parse(&input[..end], ours), refused, "{len} in {width} bytes");
            assert_eq!(Header::parse(&input[..end - 1], ours), Ok(None), "{len} in {width} bytes");
        }
    }
}

#[test]
fn control_frames_are_whole_short_and_not_compressed() {
    for (name, first, short, violation) in [
        ("close over 125", 0x88, 126, Violation::ControlTooLong),
        ("ping over 125", 0x89, 126, Violation::ControlTooLong),
        ("pong over 125", 0x8a, 127, Violation::ControlTooLong),
        ("close without FIN", 0x08, 0, Violation::FragmentedControl),
        ("ping without FIN", 0x09, 125, Violation::FragmentedControl),
        ("pong without FIN", 0x0a, 126, Violation::FragmentedControl),
        ("close with RSV1", 0xc8, 2, Violation::ReservedBit),
        ("ping with RSV1", 0xc9, 0, Violation::ReservedBit),
    ] {
        for ours in ROLES {
            let second = u8::from(masked_for(ours)) << 7 | short;
            assert_eq!(Header::parse(&[first, second], ours), Err(violation), "{name}, {ours:?}");
        }
    }
}

#[test]
fn the_wrong_masking_fails_after_two_bytes() {
    for opcode in OPCODES {
        let first = 0x80 | opcode as u8;
        assert_eq!(Header::parse(&[first, 0x80], Role::Client), Err(Violation::Masking));
        assert_eq!(Header::parse(&[first, 0x00], Role::Server), Err(Violation::Masking));
    }
}

#[test]
fn the_second_and_third_reserved_bit_fail_after_two_bytes() {
    for opcode in 0..16 {
        for bits in [0x10, 0x20, 0x30, 0x50, 0x60, 0x70] {
            for ours in ROLES {
                let input = [0x80 | bits | opcode, u8::from(masked_for(ours)) << 7];
                let parsed = Header::parse(&input, ours);
                assert_eq!(parsed, Err(Violation::ReservedBit), "{bits:#x} {opcode} {ours:?}");
            }
        }
    }
}

#[test]
fn parse_agrees_with_the_picture_of_the_rfc_on_every_start() {
    let tails = [2, 8, 12]
        .into_iter()
        .flat_map(|len| [0x00, 0x7f, 0x80, 0xff].into_iter().map(move |byte| (len, byte)));
    for (len, byte) in std::iter::once((0, 0)).chain(tails) {
        let mut input = vec![byte; 2 + len];
        for start in 0..=u16::MAX {
            input[..2].copy_from_slice(&start.to_be_bytes());
            for ours in ROLES {
                let parsed = Header::parse(&input, ours);
                assert_eq!(parsed, naive(&input, ours), "{input:02x?} {ours:?}");
                if let Ok(Some((_, used))) = parsed {
                    assert!((2..=input.len()).contains(&used), "{input:02x?} {ours:?}");
                }
            }
        }
    }
}

#[test]
fn parse_asks_for_more_at_every_cut() {
    for len in [0, 125, 126, 0xffff, 0x1_0000, (1 << 63) - 1] {
        for ours in ROLES {
            let input = raw(0x81, masked_for(ours), len, fewest_bytes(len));
            for cut in 0..input.len() {
                let parsed = Header::parse(&input[..cut], ours);
                assert_eq!(parsed, Ok(None), "{len} bytes, {ours:?}, cut at {cut}");
            }
            let (header, used) = Header::parse(&input, ours).unwrap().unwrap();
            assert_eq!((header.len, used), (len, input.len()), "{ours:?}");
        }
    }
}

#[test]
fn what_is_written_is_read() {
    for (len, ours) in LENGTHS
        .iter()
        .flat_map(|len| ROLES.map(|ours| (*len, ours)))
        .filter(|(len, _)| len >> 63 == 0)
    {
        for (opcode, fin, compressed) in OPCODES.iter().flat_map(|opcode| {
            [(true, false), (false, false), (true, true), (false, true)]
                .map(|(fin, compressed)| (*opcode, fin, compressed))
        }) {
            if opcode.is_control() && (len > 125 || compressed || !fin) {
                continue;
            }
            let mask = masked_for(ours).then_some(KEY);
            let header = Header { fin, compressed, opcode, mask, len };
            let mut out = b"before".to_vec();
            header.write(&mut out);
            let parsed = Header::parse(&out[6..], ours);
            assert_eq!(parsed, Ok(Some((header, out.len() - 6))), "{ours:?}");
        }
    }
}

#[test]
fn kinds_have_the_opcode_of_their_first_frame() {
    assert_eq!(MessageKind::Text.opcode(), Opcode::Text);
    assert_eq!(MessageKind::Binary.opcode(), Opcode::Binary);
}

#[test]
fn mask_is_the_xor_of_section_5_3() {
    for len in 0..40 {
        for phase in 0..9 {
            let mut masked = vec![0x5a; len];
            mask(&mut masked, KEY, phase);
            let expected: Vec<_> = (0..len).map(|at| 0x5a ^ KEY[(at + phase) % 4]).collect();
            assert_eq!(masked, expected, "{len} bytes from phase {phase}");
        }
    }
}

#[test]
fn mask_composes_over_every_cut_and_phase() {
    let plain: Vec<u8> = (0..67).collect();
    for phase in 0..4 {
        let mut whole = plain.clone();
        mask(&mut whole, KEY, phase);
        for cut in 0..=plain.len() {
            let mut pieces = plain.clone();
            let (front, back) = pieces.split_at_mut(cut);
            mask(front, KEY, phase);
            mask(back, KEY, phase + cut);
            assert_eq!(pieces, whole, "phase {phase}, cut at {cut}");
        }
        mask(&mut whole, KEY, phase);
        assert_eq!(whole, plain, "phase {phase}");
    }
}
