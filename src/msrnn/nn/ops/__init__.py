"""Operations that cells are made of: joined convolutions, warps, local attention, resampling."""
