/* A shard that goes to sleep, and two others that have something for it.
 *
 *   sleeper    Sources/BrokerServer/ShardLoop.swift (`turn`, `wait`), Shard.swift
 *              (`prepareToSleep`, `wakeUp`, `handleInbound`), DirtyBits.swift (`takeAll`,
 *              `isEmpty`)
 *   messenger  a message: SPSCRing.swift (`commit`), then Shard.swift (`wake`, `takeWakes`)
 *   raiser     a word that rises: the word, DirtyBits.swift (`add`), then as above
 *
 * Memory orderings. A release store and the plain or sequentially consistent store of a word stay
 * in the storing processor's buffer (`tailOut`, `wordOut`, `sleepingOut`) until `drain` brings them
 * to memory, past any later load of the same thread; that is what x86 does with a plain store, and
 * what C++ allows even to a sequentially consistent one with a weaker load behind it. A full fence
 * waits for the own buffer; so does a sequentially consistent read-modify-write, which is why the
 * bits need no buffer. The kernel is asked for nothing more than that a write to the eventfd is not
 * lost: a system call is no fence here.
 *
 * FAULT 1: the waker has no fence                  2: the sleeper has no fence
 *       3: the sleeper looks before it says so     4: the eventfd is emptied after the look
 *       5: the waker looks before it posts         6: the bits are taken before the summary
 */
#ifndef FAULT
#define FAULT 0
#endif
#ifndef POSTS
#define POSTS 2                  /* of each of the two */
#endif

byte tail, tailOut;              /* the ring's; the messenger's */
bool tailWaits;
byte word[2], wordOut[2];        /* words that rise, each with a bit; the raiser's */
bool wordWaits[2];
bool sleeping, sleepingOut;      /* Broker.setSleeping; the sleeper's */
bool sleepingWaits;
byte bits;                       /* DirtyBits, the first level: a set of the two words */
bool summary;                    /* the second level */
bool ready;                      /* the eventfd's counter is not 0; epoll watches its level */
byte messages, rises[2];         /* what has been posted, ... */
byte added[2];                   /* ... a word's value when its bit was set last, ... */
byte got, gotRises[2];           /* ... and what the sleeper has seen of it */
#define allSeen (got == messages && gotRises[0] == rises[0] && gotRises[1] == rises[1])

active proctype drain() {        /* the hardware */
end:
  do
  :: atomic { tailWaits -> tail = tailOut; tailWaits = false }
  :: atomic { wordWaits[0] -> word[0] = wordOut[0]; wordWaits[0] = false }
  :: atomic { wordWaits[1] -> word[1] = wordOut[1]; wordWaits[1] = false }
  :: atomic { sleepingWaits -> sleeping = sleepingOut; sleepingWaits = false }
  od
}

inline takeWakes(waits) {        /* at the end of a turn, and before the waker's own sleep */
  if
  :: FAULT == 1 || FAULT == 5
  :: FAULT != 1 && FAULT != 5 -> !waits                  /* atomicMemoryFence */
  fi;
  if
  :: FAULT != 5 -> asleep = sleeping                     /* Broker.isSleeping */
  :: FAULT == 5
  fi;
  if
  :: asleep -> ready = true                              /* Handoff.wake */
  :: !asleep
  fi;
  asleep = false
}

active proctype messenger() {
  bool asleep;
  do
  :: messages < POSTS ->
     if
     :: FAULT == 5 -> asleep = sleeping
     :: FAULT != 5
     fi;
     do                                                  /* one or several in a turn */
     :: atomic { messages < POSTS -> messages++; tailOut = messages; tailWaits = true }
        if
        :: break
        :: messages < POSTS
        fi
     od;
     takeWakes(tailWaits)
  :: break                                               /* it posts no more, and wakes nobody */
  od
}

active proctype raiser() {
  bool asleep;
  byte i;
  do
  :: rises[0] + rises[1] < POSTS ->
     if
     :: FAULT == 5 -> asleep = sleeping
     :: FAULT != 5
     fi;
     if
     :: i = 0
     :: i = 1
     fi;
     atomic { rises[i]++; wordOut[i] = rises[i]; wordWaits[i] = true }
     if
     :: FAULT == 7
     :: FAULT != 7 -> !wordWaits[i]                      /* the RMW waits for the word */
     fi;
     atomic { bits = bits | (1 << i); added[i] = rises[i] }           /* add: RMW */
     summary = true;                                     /* RMW */
     takeWakes(wordWaits[i])
  :: break
  od
}

inline look(i) {                 /* what a bit stands for: an acquiring load of the word */
  if
  :: taken & (1 << i) -> atomic { assert(word[i] >= added[i]); gotRises[i] = word[i] }
  :: else
  fi
}

inline takeAll() {
  if
  :: !summary                                            /* one relaxed load */
  :: FAULT != 6 && summary ->
     summary = false;                                    /* exchange */
     atomic { taken = bits; bits = 0 }                   /* exchange */
  :: FAULT == 6 && summary ->
     atomic { taken = bits; bits = 0 }
     summary = false
  fi;
  look(0); look(1);
  taken = 0
}

active proctype sleeper() {
  byte taken, others = 1;
  bool more, woken;
  do
  :: /* handleInbound */
     atomic { assert(tail >= got); got = tail }
     takeAll();
     /* handle(Word.wakeup): the eventfd is read after that */
     if
     :: woken && FAULT != 4 -> ready = false; woken = false
     :: else -> woken = false
     fi;
     /* prepareToSleep */
     if
     :: FAULT == 3 -> more = (tail != got || summary)
     :: FAULT != 3
     fi;
     atomic { sleepingOut = true; sleepingWaits = true }
     if
     :: FAULT == 2
     :: FAULT != 2 -> !sleepingWaits                     /* atomicMemoryFence */
     fi;
     if
     :: FAULT != 3 -> more = (tail != got);      /* hasInbound: each ring, then the bits */
        more = more || summary
     :: FAULT == 3
     fi;
     if
     :: more                                             /* another turn instead */
     :: !more ->
        if
        :: FAULT == 4 -> ready = false
        :: FAULT != 4
        fi;
end:    if                                               /* epoll_wait, without a deadline */
        :: ready -> woken = true
        :: others > 0 -> others--                        /* a socket; it need not come */
        fi
     fi;
     atomic { sleepingOut = false; sleepingWaits = true } /* wakeUp */
     more = false
  od
}

/* Safety: where nobody can go on, nothing is left lying. */
active proctype quiet() {
end:
  timeout -> assert(allSeen)
}

/* Liveness, with weak fairness: all that is posted is handled, and stays so. */
ltl handled { <> [] allSeen }
