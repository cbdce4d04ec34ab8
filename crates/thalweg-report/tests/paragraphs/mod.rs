//! What a page says.

use thalweg_report::page::Block;

/// All paragraphs of blocks, those of their parts too.
pub(crate) fn paragraphs(blocks: &[Block]) -> Vec<String> {
    let of = |block: &Block| match block {
        Block::Text(text) => vec![text.clone()],
        Block::List(items) => items.clone(),
        Block::Part(part) => {
            let mut all = vec![part.lead.clone()];
            all.extend(paragraphs(&part.blocks));
            all
        }
        Block::Table(_) | Block::Figure(_) | Block::Code(_) => Vec::new(),
    };
    blocks.iter().flat_map(of).collect()
}
