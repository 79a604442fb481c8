"""How members decide together: proposals, votes, and what falls due from them."""
