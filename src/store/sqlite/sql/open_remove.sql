DELETE FROM open_delivery WHERE number = ?1
