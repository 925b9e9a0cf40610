UPDATE sealer SET size = $2, frontier = $3, checkpoint = $4 WHERE size = $1
