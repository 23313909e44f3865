"""Cards, codes and PINs, from readers and to panels."""
