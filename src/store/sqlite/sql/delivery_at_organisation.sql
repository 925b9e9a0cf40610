SELECT number FROM delivery WHERE message = ?1 AND organisation = ?2
