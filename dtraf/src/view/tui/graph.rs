//! Figures over time as characters: a line of blocks in a table, an area of dots in a window.

/// From the least to the most; the first is for nothing at all.
const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// The dots of a braille character, from the bottom up, left and right.
const DOTS: [[u32; 4]; 2] = [[0x40, 0x04, 0x02, 0x01], [0x80, 0x20, 0x10, 0x08]];
const BRAILLE: u32 = 0x2800;

/// One block for each figure, the newest at the right end; blank where nothing is known.
pub(super) fn trend(figures: &[Option<u64>], width: usize) -> String {
    let figures = &figures[figures.len().saturating_sub(width)..];
    let most = most(figures).unwrap_or_default();
    let blank = std::iter::repeat_n(' ', width - figures.len());
    blank.chain(figures.iter().map(|figure| figure.map_or(' ', |figure| block(figure, most)))).collect()
}

/// `None` where nothing is known.
pub(super) fn most(figures: &[Option<u64>]) -> Option<u64> {
    figures.iter().copied().flatten().max()
}

fn block(figure: u64, most: u64) -> char {
    BLOCKS[steps(figure, most, BLOCKS.len() - 1)]
}

/// How many of `all` steps a figure takes; nothing takes none, and anything at least one.
fn steps(figure: u64, most: u64, all: usize) -> usize {
    if figure == 0 || most == 0 {
        return 0;
    }
    let scaled = (u128::from(figure) * all as u128).div_ceil(u128::from(most));
    usize::try_from(scaled).unwrap_or(all).min(all)
}

/// How many figures a graph of that width shows.
pub(super) fn capacity(width: usize) -> usize {
    width * 2
}

/// The area below the figures, the newest at the right end, as lines from the top down.
pub(super) fn area(figures: &[Option<u64>], width: usize, height: usize) -> Vec<String> {
    let figures = &figures[figures.len().saturating_sub(capacity(width))..];
    let most = most(figures).unwrap_or_default();
    let mut heights = vec![0; capacity(width) - figures.len()];
    heights.extend(figures.iter().map(|figure| figure.map_or(0, |figure| steps(figure, most, height * 4))));
    let line = |from_top: usize| {
        let below = (height - 1 - from_top) * 4;
        let character = |pair: &[usize]| {
            let dots = pair.iter().zip(DOTS).map(|(height, dots)| {
                let filled = height.saturating_sub(below).min(dots.len());
                dots[..filled].iter().sum::<u32>()
            });
            char::from_u32(BRAILLE + dots.sum::<u32>()).unwrap_or(' ')
        };
        heights.chunks(2).map(character).collect()
    };
    (0..height).map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(figures: &[u64]) -> Vec<Option<u64>> {
        figures.iter().copied().map(Some).collect()
    }

    #[test]
    fn a_trend_ends_at_the_right_and_anything_is_more_than_nothing() {
        assert_eq!(trend(&known(&[0, 1, 50, 100]), 6), "  ▁▂▅█");
        assert_eq!(trend(&known(&[9, 1, 1]), 2), "██");
        assert_eq!(trend(&[None, Some(0)], 2), " ▁");
        assert_eq!(trend(&known(&[u64::MAX, u64::MAX / 2]), 2), "█▅");
    }

    #[test]
    fn an_area_is_filled_from_below() {
        assert_eq!(area(&known(&[1, 2, 3, 4, 8]), 4, 2), ["⠀⠀⠀⢸", "⠀⢀⣴⣿"]);
        assert_eq!(area(&[], 3, 1), ["⠀⠀⠀"]);
        assert_eq!(area(&known(&[0, 0]), 1, 1), ["⠀"]);
    }
}
